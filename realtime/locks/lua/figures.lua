-- Counts for operators, by show and hour of Indian clocks: holds that were given, and holds that were refused because
-- seats were taken. Written once per call, into one hash for all shows; a field is "hour (ms) show name". Keepers move
-- the counts to the ledger (realtime/keeper/hour_figures.py).

local HOUR_MS, INDIA_OFFSET_MS = 3600000, 19800000

-- tt:figures, a key that is not among KEYS: callers of older releases do not pass it. It begins as `meta` does (tt:).
local function figures_key(K)
  return string.sub(K.meta, 1, 3) .. 'figures'
end

-- Adds `figures` (name -> count) to those of the present hour.
local function count_figures(K, at, figures)
  for name, count in pairs(figures) do
    local hour = ms_text(at - (at + INDIA_OFFSET_MS) % HOUR_MS)
    local field = hour .. ' ' .. string.sub(K.meta, 5, -7) .. ' ' .. name -- what is within the braces: the show
    -- The function has changed seats by now, so a damaged count must not make it fail.
    local reply = redis.pcall('HINCRBY', figures_key(K), field, count)
    if type(reply) == 'table' and reply.err then redis.pcall('HSET', figures_key(K), field, count) end
  end
end

-- tt_take_figures  KEYS: of a show  name  ->  ok, field, count, ... and batch, name
-- Moves the counts into a batch of this name and returns it. If there is a batch already, returns that one; if nothing
-- was counted, returns nothing.
local function take_figures(keys, args)
  local key = figures_key(key_names(keys))
  local batch = key .. ':batch'
  if redis.call('EXISTS', batch) == 0 then
    if redis.call('EXISTS', key) == 0 then return { 'ok', {} } end
    redis.call('RENAME', key, batch)
    redis.call('HSET', batch, 'batch', args[1])
  end
  return { 'ok', redis.call('HGETALL', batch) }
end

-- tt_drop_figures  KEYS: of a show  name  ->  ok
-- Deletes the batch of this name: the ledger has it.
local function drop_figures(keys, args)
  local batch = figures_key(key_names(keys)) .. ':batch'
  if redis.call('HGET', batch, 'batch') == args[1] then redis.call('UNLINK', batch) end
  return { 'ok' }
end

register_keeper_function('take_figures', take_figures)
register_keeper_function('drop_figures', drop_figures)
