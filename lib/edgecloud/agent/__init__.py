"""The node's hands: it carries out, alone and across power cuts, what a rollout grants it."""
