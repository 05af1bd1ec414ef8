from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt


def total(request: HttpRequest, key: str) -> JsonResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM numbers WHERE key = %s", [key])
        found = cursor.fetchone()
    return JsonResponse({"key": key, "value": found[0] if found else None})


@csrf_exempt
def increment(request: HttpRequest) -> JsonResponse:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO numbers (key, value) VALUES (%s, %s)"
            " ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
            [request.POST["key"], int(request.POST["value"])],
        )
    return JsonResponse({"ok": True})
