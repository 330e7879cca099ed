"""What must always hold, of all apps: looked at by night and on demand, told by tickets, mended where that is safe."""
