-- Takes up a renewed certificate: reads the files every few seconds, and when they are others, has the proxy put them in
-- place of the ones it uses (`set ssl cert` and `commit ssl cert` on its own socket). New connections get the new one; the
-- open ones know nothing of it, where a reload would end them after a while.
--
-- EDGE_CERTIFICATE is the file of the certificate (its key is in the file of the same name and `.key`), EDGE_SOCKET the
-- path of the proxy's socket.

local certificate, socket_path = os.getenv("EDGE_CERTIFICATE"), os.getenv("EDGE_SOCKET")

local SECONDS = 5
local ANSWER_SECONDS = 10
-- The socket takes an order of one buffer (tune.bufsize) at most.
local LONGEST = 15000

local function read(path)
    local file = io.open(path, "rb")
    if not file then
        return nil
    end
    local text = file:read("a")
    file:close()
    return text
end

-- Both files as one text without what is between the blocks; an empty line would end the order.
local function content()
    local chain, key = read(certificate), read(certificate .. ".key")
    if not chain or not key then
        return nil
    end
    local blocks = {}
    for block in (chain .. "\n" .. key):gmatch("%-%-%-%-%-BEGIN [^\n]-%-%-%-%-%-.-%-%-%-%-%-END [^\n]-%-%-%-%-%-") do
        blocks[#blocks + 1] = block:gsub("\r", ""):gsub("\n+", "\n")
    end
    return table.concat(blocks, "\n")
end

local function order(text)
    local connection = core.tcp()
    connection:settimeout(ANSWER_SECONDS)
    if not connection:connect(socket_path) then
        return "the proxy's socket does not answer"
    end
    connection:send(text .. "\n")
    local answer = connection:receive("*a")
    connection:close()
    return answer or ""
end

local function replace(text)
    if #text > LONGEST then
        return false, "it is longer than " .. LONGEST .. " bytes with its key; leave out certificates that clients have"
    end
    local answer = order("set ssl cert " .. certificate .. " <<\n" .. text .. "\n")
    if answer:find("Transaction", 1, true) then
        answer = order("commit ssl cert " .. certificate)
        if answer:find("Success", 1, true) then
            return true
        end
    end
    order("abort ssl cert " .. certificate)
    return false, (answer:gsub("%s+", " "))
end

local used = content()
local refused

core.register_task(function()
    while true do
        core.sleep(SECONDS)
        local found = content()
        if found and found ~= used then
            local done, why = replace(found)
            if done then
                used, refused = found, nil
                core.log(core.notice, "certificate renewed: new connections use it")
            elseif found ~= refused then
                -- Half of the files may be new and half old: it is tried again, and said once.
                refused = found
                core.log(core.alert, "certificate not taken up, the one before stays in use: " .. why)
            end
        end
    end
end)
