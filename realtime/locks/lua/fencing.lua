-- Which keepers may write. A keeper that reconciled the master has a fencing token; its number rises with every
-- reconciliation, because the ledger counts them.
--
--   1. The keeper begins its token in the ledger, then sets the fence here: its number and this server process.
--   2. Every write of a keeper carries the number of its token, and is refused (fenced) unless the fence has exactly
--      this number and this process. So a keeper that was frozen or cut off writes nothing once another keeper has
--      reconciled the master. It also writes nothing after a restart, a wipe or a promotion, because the fence then has
--      another process or is gone.
--   3. A write that carries out an entry of the outbox names the entry, and is refused once the entry is gone: another
--      keeper has carried it out, and later entries may have been carried out too.

-- tt_fence  KEYS: fence  number  ->  ok | fenced, the number that the fence has
local function fence(keys, args)
  local number = tonumber(string.match(redis.call('GET', keys[1]) or '', '^%d+') or '0')
  if tonumber(args[1]) < number then return { 'fenced', ms_text(number) } end
  redis.call('SET', keys[1], args[1] .. ' ' .. this_process())
  return { 'ok' }
end

local function has_entry(outbox, entry)
  return entry == '' or #redis.call('XRANGE', outbox, entry, entry) > 0
end

-- Wraps a function of keepers. The wrapped function takes two more arguments before its own: the number of the token,
-- and the entry of the outbox that the call carries out (empty: none). It checks both before anything is written.
local function fenced(callback)
  return function(keys, args) -- keys[12] is the fence, keys[8] the outbox
    local number, entry = table.remove(args, 1), table.remove(args, 1)
    if redis.call('GET', keys[12]) ~= number .. ' ' .. this_process() then return { 'fenced' } end
    if not has_entry(keys[8], entry) then return { 'fenced' } end
    return callback(keys, args)
  end
end

local WHILE_FULL = { 'allow-oom' } -- works while memory is full, see the invariants in shared.lua

-- Registers a function of keepers twice: fenced, and without a token, as keepers of the previous release call it.
local function register_keeper_function(name, callback)
  redis.register_function { function_name = 'tt_' .. name, callback = callback, flags = WHILE_FULL }
  local name_with_fence = 'tt_fenced_' .. name
  redis.register_function { function_name = name_with_fence, callback = fenced(callback), flags = WHILE_FULL }
end

-- tt_position  KEYS: of a show, with the ledger's position in place of the log  position  ->  ok
-- Records the ledger's position. A ledger that is later found behind this position has lost commits.
local function position(keys, args)
  local known = tonumber(redis.call('GET', keys[11]) or '0')
  if tonumber(args[1]) > known then redis.call('SET', keys[11], args[1]) end
  return { 'ok' }
end

-- tt_small_write  KEYS: none, the names are in the command  command, its arguments  ->  its answer
-- Runs one command of a keeper that writes little, also while memory is full; for example to take a turn before the
-- keeper has a token.
local function small_write(_, args)
  return redis.call(unpack(args))
end

redis.register_function { function_name = 'tt_fence', callback = fence, flags = WHILE_FULL }
redis.register_function { function_name = 'tt_small_write', callback = small_write, flags = WHILE_FULL }
register_keeper_function('position', position)
