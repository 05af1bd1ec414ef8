from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate, pre_migrate


class SiteConfig(AppConfig):
    name = "incrementer_site"

    def ready(self) -> None:
        from django.contrib import admin

        from incrementer_site import adoption, checks  # noqa: F401  (the checks register themselves)

        counters = apps.get_app_config("counters")
        pre_migrate.connect(adoption.put_aside, sender=counters)
        post_migrate.connect(adoption.take_over, sender=counters)

        admin.site.site_header = admin.site.site_title = "Incrementer"
        admin.site.index_title = "Totals"
        admin.site.site_url = None  # there is no site besides the admin to view
