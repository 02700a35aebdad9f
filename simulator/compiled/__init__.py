"""The step of a plant as one function of plain numbers, made by running the models' own code on symbols."""
