"""The settings of each package's site: those that its own documentation asks for."""
