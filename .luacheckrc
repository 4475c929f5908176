-- The Lua functions run in Redis and Valkey: Lua 5.1 and the modules that they bring.
std = "lua51"
read_globals = { "redis", "cjson", "cmsgpack" }
max_line_length = 120
-- A variable may have the name of a function of another file: all files are checked as the one that a master loads.
ignore = { "431" }
