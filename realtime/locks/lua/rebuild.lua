-- Declares shows, and rebuilds them from the ledger.

-- --- declarations ----------------------------------------------------------------------------------------------------

local function announce_sales(K, epoch, sales)
  announce(K, epoch, ',"sales":"' .. sales .. '"', 'sales_' .. sales, '')
end

-- Publishes a sales window, if it has changed, with the sales state that is in force within it.
local function announce_window(K, show, sales, starts, ends)
  if show.sales_start == tonumber(starts) and show.sales_end == tonumber(ends) then return end
  announce(K, show.epoch, ',"sales":"' .. sales .. '","sales_start":' .. starts .. ',"sales_end":' .. ends,
    'sales_window', '')
end

-- tt_declare  KEYS: of a show, then the records of all shows  epoch, size, sales, hold_ms, max_seats, for_sale (1 | 0),
--   sales_start, sales_end (ms), revision, show id, record ('': leave it)  ->  ok, 1 if created, 0 if it existed
-- Creates the state of a show; if it exists, only its terms change. With for_sale 0, a new show is for sale once it is
-- rebuilt. A revision that is earlier than the known one changes nothing: the caller has read the ledger before the
-- last change. Keepers of releases before version 9 send no window, and the known one stays; keepers of releases before
-- version 21 send no revision.
local function declare(keys, args)
  local K = key_names(keys)
  local show = load_terms(K)
  if args[9] then
    local known = redis.call('HGET', K.meta, 'revision')
    if is_version(known) and tonumber(args[9]) < tonumber(known) then return { 'ok', 0 } end
    redis.call('HSET', K.meta, 'revision', args[9])
    if args[11] ~= '' then redis.call('HSET', keys[13], args[10], args[11]) end
  end
  redis.call('HSET', K.meta, 'sales', args[3], 'hold_ms', args[4], 'max_seats', args[5])
  if args[7] then redis.call('HSET', K.meta, 'sales_start', args[7], 'sales_end', args[8]) end
  if show then
    if args[7] then announce_window(K, show, args[3], args[7], args[8]) end
    if show.sales ~= args[3] then announce_sales(K, show.epoch, args[3]) end
    return { 'ok', 0 }
  end
  redis.call('SET', K.seats, string.rep(FREE, tonumber(args[2])))
  redis.call('HSET', K.meta, 'epoch', args[1], 'version', 1, 'size', args[2])
  if args[6] == '1' then redis.call('HSET', K.meta, 'process', this_process()) end
  return { 'ok', 1 }
end

-- tt_suspend  nonce, diverged (1 | 0)  ->  ok
-- Stops the sales of a show until the keeper that gave the nonce rebuilds it. So nothing changes while that keeper
-- reads the ledger, and a keeper that was overtaken by another one can't rebuild anything.
-- diverged: another master has sold since this data was current. The mark stays until the rebuild.
local function suspend(keys, args)
  local K = key_names(keys)
  if not load_terms(K) then return { 'ok' } end
  redis.call('HDEL', K.meta, 'process')
  redis.call('HSET', K.meta, 'rebuilding', args[1])
  if args[2] == '1' then redis.call('HSET', K.meta, 'diverged', '1') end
  return { 'ok' }
end

-- tt_unready  KEYS: meta, seats of each show  ->  ok, the places (from 0) of the shows that have to be rebuilt
-- These are shows that are not for sale in this process, whose seats are gone, whose terms were declared only by a
-- keeper of releases before version 9, whose keys have another type, or that have no version. Errors are caught, so
-- that a damaged show does not hide the others.
local function unready(keys)
  local found = {}
  for n = 1, #keys, 2 do
    local meta = redis.pcall('HMGET', keys[n], 'process', 'size', 'sales_end', 'version')
    local length = redis.pcall('STRLEN', keys[n + 1])
    if meta.err or meta[1] ~= this_process() or not meta[3] or not is_version(meta[4])
      or length ~= tonumber(meta[2]) then
      found[#found + 1] = (n - 1) / 2
    end
  end
  return { 'ok', found }
end

-- --- rebuild ---------------------------------------------------------------------------------------------------------
-- The keeper compares a suspended show with the ledger (realtime/locks/rebuild_plan.py), and writes what differs in
-- parts, none of which keeps the master busy for long, however many seats the show has. Nothing of the show is sold
-- before the last step, and every step is refused once another keeper has suspended or rebuilt the show. If a keeper
-- dies half-way, the next one compares the show again.

-- Epochs are names of 12 hex digits that sort by time (model.new_epoch). If the proposed epoch is not later than the
-- show's present one (the clock went back, or the show was declared in the same millisecond), returns the one that
-- follows the present one.
local function later_epoch(present, proposed)
  if #present ~= #proposed or proposed > present then return proposed end
  local number = tonumber(present, 16)
  return number and string.format('%012x', number + 1) or proposed
end

-- Makes the show for sale in this process. Publishes the new epoch alone: versions of different epochs can't be
-- compared, so receivers read the snapshot again.
local function put_on_sale(K, show, proposed, at)
  local epoch = later_epoch(show.epoch, proposed)
  redis.call('HDEL', K.meta, 'rebuilding', 'diverged')
  if not is_version(show.version) then redis.call('HSET', K.meta, 'version', 0) end
  redis.call('HSET', K.meta, 'epoch', epoch, 'rebuilt_at', ms_text(at), 'process', this_process())
  announce(K, epoch, '', 'rebuilt', '')
end

local function is_rebuilt_by(K, nonce)
  return redis.call('HGET', K.meta, 'rebuilding') == nonce
end

-- Carries out the commands that begin at args[n]. Each is given as its name, the place of its key in KEYS, the number
-- of its arguments (at most ARGS_PER_COMMAND), and its arguments. Returns the sum of the answers that are numbers.
local function carry_out(keys, args, n)
  local sum = 0
  while n <= #args do
    local first, count = n + 3, tonumber(args[n + 2])
    local reply = redis.call(args[n], keys[tonumber(args[n + 1])], unpack(args, first, first + count - 1))
    if type(reply) == 'number' then sum = sum + reply end
    n = first + count
  end
  return sum
end

-- tt_rebuild_part  nonce, then commands (carry_out)  ->  ok | fenced
-- Carries out commands on a show that was suspended with this nonce.
local function rebuild_part(keys, args)
  if not is_rebuilt_by(key_names(keys), args[1]) then return { 'fenced' } end
  carry_out(keys, args, 2)
  return { 'ok' }
end

-- tt_write  KEYS: of a show, then those that are written  commands (carry_out)  ->  ok, the sum of their answers
-- Writes keys that belong to no show: declarations, tokens of staff, the mark of a reconciliation.
local function write(keys, args)
  return { 'ok', carry_out(keys, args, 1) }
end

-- tt_finish_rebuild  nonce, epoch, a digit for each seat  ->  ok | fenced
-- The last step: writes the map, and the show is for sale.
local function finish_rebuild(keys, args)
  local K = key_names(keys)
  local show = load_terms(K)
  if not show or not is_rebuilt_by(K, args[1]) then return { 'fenced' } end
  redis.call('SET', K.seats, args[3])
  put_on_sale(K, show, args[2], now_ms())
  return { 'ok' }
end

-- tt_archive  ->  ok | hold_confirmed
-- Removes a show from this master; the ledger keeps it. Refused while one of its holds is live.
local function archive(keys)
  local K = key_names(keys)
  if redis.call('EXISTS', K.owners) == 1 then return { 'hold_confirmed' } end
  redis.call('UNLINK', K.meta, K.seats, K.taken, K.holds, K.owners, K.log)
  return { 'ok' }
end

register_keeper_function('archive', archive)
register_keeper_function('write', write)
register_keeper_function('declare', declare)
register_keeper_function('suspend', suspend)
register_keeper_function('rebuild_part', rebuild_part)
register_keeper_function('finish_rebuild', finish_rebuild)
redis.register_function { function_name = 'tt_unready', callback = unready, flags = { 'no-writes' } }
