-- For wrk, a load generator in C: the same requests as the other peers make.
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer bench"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json"

local number = 0

function request()
    number = number + 1
    local body = string.format('{"notification":{"message":"Hi Anna %d, C%d gives 20 %% off at Shop %d until Sunday"}}', number, number, number % 50)
    return wrk.format(nil, string.format("/api/v1/passes/%016x/notification", number), nil, body)
end

-- In JSON, as the other peers print what they found.
function done(summary)
    local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
    io.stderr:write(failed > 0 and '"failed"' or string.format("%.1f", summary.requests / summary.duration * 1e6))
end
