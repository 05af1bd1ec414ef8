-- The same counter in memory, in nginx: a dict that its workers share, and no persistence.

ngx.req.read_body()
local form = ngx.req.get_post_args()
local key = form.key
local value = type(form.value) == "string" and form.value:match("^-?%d+$")
local reply = '{"ok":true}\n'
if type(key) ~= "string" or key == "" or not value then
  ngx.status = 400
  reply = '{"error":"key or value is wrong"}\n'
elseif not ngx.shared.totals:incr(key, tonumber(value), 0) then
  ngx.status = 503
  reply = '{"error":"out of memory"}\n'
end
ngx.header.content_length = #reply -- otherwise nginx sends the reply in chunks
ngx.print(reply)
