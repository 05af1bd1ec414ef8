-- What wrk sends. All requests are made before the run, so that the load generator stays cheap.
-- Arguments: form | webdis | batch.

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
