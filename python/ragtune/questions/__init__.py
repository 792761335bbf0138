"""Questions for chunks: who is asked, what is asked, and what may be learned from."""

from ragtune.questions.litellm_chat import LiteLLMChat
from ragtune.questions.openai_chat import OpenAIChat

__all__ = ["LiteLLMChat", "OpenAIChat"]
