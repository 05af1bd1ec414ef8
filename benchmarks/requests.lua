-- What wrk sends. All requests are made before the run, so that the load generator stays cheap.
-- Arguments: form | webdis | batch, or another name of `makers`.

local function post(target, version, headers, body)
  headers = headers .. "Content-Type: application/x-www-form-urlencoded\r\n"
  local line = "POST " .. target .. " HTTP/" .. version .. "\r\n"
  return line .. "Host: localhost\r\n" .. headers .. body
end

local function framed(i)
  local body = "key=k" .. i .. "&value=1"
  return "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

local makers = {
  form = function(i)
    local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
    return wrk.format("POST", "/increment", headers, "key=k" .. i .. "&value=1")
  end,
  webdis = function(i)
    return wrk.format("POST", "/", nil, "INCRBY/k" .. i .. "/1")
  end,
  batch = function(i)
    local increments = {}
    for j = 0, 999 do
      increments[j + 1] = '{"key":"k' .. (i + j * 7) % 1000 .. '","value":1}'
    end
    local headers = { ["Content-Type"] = "application/json" }
    return wrk.format("POST", "/increment", headers, "[" .. table.concat(increments, ",") .. "]")
  end,
  old = function(i)
    return post("/increment", "1.0", "Connection: keep-alive\r\n", framed(i))
  end,
  ["old, closed"] = function(i)
    return post("/increment", "1.0", "", framed(i))
  end,
  closed = function(i)
    return post("/increment", "1.1", "Connection: close\r\n", framed(i))
  end,
  absolute = function(i)
    return post("http://localhost/increment", "1.1", "", framed(i))
  end,
  expect = function(i)
    return post("/increment", "1.1", "Expect: 100-continue\r\n", framed(i))
  end,
  chunked = function(i)
    local body = "key=k" .. i .. "&value=1"
    local chunks = string.format("%x\r\n%s\r\n0\r\n\r\n", #body, body)
    return post("/increment", "1.1", "Transfer-Encoding: chunked\r\n", "\r\n" .. chunks)
  end,
  spelled = function(i)
    return post("/%69ncrement", "1.1", "", framed(i))
  end,
  total = function(i)
    return wrk.format("GET", "/numbers/k" .. i)
  end,
  ["fresh total"] = function(i)
    return wrk.format("GET", "/numbers/k" .. i .. "?fresh=1")
  end,
  ["webdis total"] = function(i)
    return wrk.format("GET", "/GET/k" .. i)
  end,
  health = function(i)
    return wrk.format("GET", "/readyz")
  end,
}

local requests, count, at = {}, 0, 0

function init(args)
  count = args[1] == "batch" and 20 or 1000
  for i = 1, count do
    requests[i] = makers[args[1]](i - 1)
  end
end

function request()
  at = at % count + 1
  return requests[at]
end
