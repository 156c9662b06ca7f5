"""One rule a file: what is here is asked (`atme.planning.decide`); a new one needs no other line anywhere."""
