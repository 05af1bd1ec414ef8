-- What wrk sends: increments, each with an id of its own in its head, or the same without.
-- Arguments: form | batch, and "ids" or nothing.

local function id_maker()
  local random = io.open("/dev/urandom", "rb"):read(5)
  local a, b, c, d, e = random:byte(1, 5)
  local run = string.format("%01x%02x-8%01x%02x-%02x", a % 16, b, c % 16, d, e)
  local count = 0
  return function() -- a UUIDv7 (RFC 9562): the time, something of this run, and a number
    count = count + 1
    local time = string.format("%012x", os.time() * 1000)
    return time:sub(1, 8) .. "-" .. time:sub(9) .. "-7" .. run .. string.format("%010x", count)
  end
end

-- A body but for its last value and its end.
local function body(kind, i)
  if kind == "form" then
    return "key=k" .. i .. "&value="
  end
  local increments = {}
  for j = 0, 999 do
    increments[j + 1] = '{"key":"k' .. (i + j * 7) % 1000 .. '","value":1}'
  end
  return "[" .. table.concat(increments, ","):sub(1, -3)
end

local types = { form = "application/x-www-form-urlencoded", batch = "application/json" }
local begins, count, at, made = {}, 0, 0, 100000000
local begin, body_end, next_id

function init(args)
  local kind = args[1]
  begin = "POST /increment HTTP/1.1\r\nHost: localhost\r\nContent-Type: " .. types[kind] .. "\r\n"
  if args[2] == "ids" then
    begin = begin .. 'Idempotency-Key: "'
    next_id = id_maker()
  end
  body_end = kind == "batch" and "}]" or ""
  count = kind == "batch" and 20 or 1000
  for i = 1, count do
    local text = body(kind, i - 1)
    begins[i] = "Content-Length: " .. #text + #tostring(made) + #body_end .. "\r\n\r\n" .. text
    begins[i] = next_id and '"\r\n' .. begins[i] or begins[i]
  end
end

-- Of both kinds, no two requests are the same: LuaJIT keeps one copy of each string, so one that is
-- there already costs it less.
function request()
  at = at % count + 1
  made = made + 1
  return begin .. (next_id and next_id() or "") .. begins[at] .. made .. body_end
end
