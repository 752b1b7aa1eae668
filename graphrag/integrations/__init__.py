"""Let other programs use an index: retrievers for LangChain and LlamaIndex, a skill."""
