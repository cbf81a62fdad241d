"""How a batch is written on the wire. No dialect knows another, and none runs anything."""
