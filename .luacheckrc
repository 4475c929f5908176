-- The Lua functions run in Redis and Valkey: Lua 5.1 with their modules.
std = "lua51"
read_globals = { "redis", "cjson", "cmsgpack" }
max_line_length = 120
