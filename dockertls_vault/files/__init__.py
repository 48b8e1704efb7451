"""Files and directories, by open descriptors: which one, who could write to it, written whole."""
