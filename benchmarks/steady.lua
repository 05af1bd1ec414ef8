-- What wrk sends at a steady pace: requests for totals, each client one in 50 ms.

function request()
  return wrk.format("GET", "/numbers/k" .. math.random(0, 999))
end

function delay()
  return 50
end
