"""The read path: replica -> feed -> room -> fan-out -> viewers. One way; it never decides anything."""
