"""One folder per cloud. A cloud's own words live in its folder and nowhere else; clouds never import each other."""
