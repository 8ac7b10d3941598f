"""Models that learn with torch (extra `deep`): the attention of SASRec, the graph of LightGCN."""
