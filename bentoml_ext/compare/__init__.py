"""Compare: backends of one version, two versions, or two files, in figures."""
