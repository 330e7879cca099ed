"""By when goods get to the buyer, for how much freight, and the room of days and slots that this takes."""
