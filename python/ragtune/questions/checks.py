"""Whether a question that a model wrote may be learned from.

Checks of the text alone; `None` is yes, else the reason for which it is set aside. No list of
words is complete: what these let through must still find its chunk, and prove itself when tuned.
"""

from __future__ import annotations

import re
import unicodedata

SHORTEST, LONGEST = 3, 300  # characters
COPIED = 0.6  # share of a question's runs of words that stand in its chunk
RUN = 4  # words of a run

_LINK = re.compile(
    r"https?:|www\.|\b[\w.+-]+@[\w-]+\.\w+|\b[\w-]+\.(?:com|net|org|io|ru|cn|xyz|info|biz|top)\b",
    re.I,
)
_INSTRUCTIONS = re.compile(
    r"""
    \b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:previous|prior|above|earlier|all|your
      |the|these|any)\b.{0,30}\b(?:instruction|prompt|rule|message|context|polic|guideline)
    | \bsystem\s+(?:prompt|message|instruction) | \b(?:developer|jailbreak|dan)\s+mode\b
    | \byou\s+(?:are|must|should|will|shall)\s+(?:now|always|never|only|obey|answer|reply|respond)\b
    | \bact\s+as\b | \bpretend\s+(?:to|you) | \bdo\s+not\s+(?:follow|obey|tell|mention|reveal)\b
    | \b(?:reveal|print|repeat|output|leak|send|exfiltrate|forward|email)\b.{0,30}
      \b(?:your|the|all|this|user'?s?)\b.{0,30}
      \b(?:prompt|instruction|key|secret|password|credential|token|data|conversation|history)
    | \b(?:always|never)\s+(?:answer|reply|respond|recommend|say|return|rank|retrieve)\b
    | \b(?:reply|respond|answer)\s+(?:only\s+)?(?:with|by)\b | \bas\s+an?\s+(?:ai|assistant)\b
    | <\|? | \|> | \[/?inst\] | \#{2,} | ``` | ^\s*(?:system|assistant|user|human|developer)\s*:
    | \bprompt\s+injection\b | \bpwned\b
    | \bignor(?:e|iere|iert|ez|er|a|ar|are)\b.{0,40}
      (?:anweisung|anterior|pr[ée]c[ée]dent|instruc|istruz)
    | \b(?:vergiss|olvida|oublie[zr]?|dimentica|esque[çc]a)\b.{0,40}(?:anweisung|instruc|istruz)
    | \bdu\s+bist\s+(?:jetzt|nun)\b | \bahora\s+eres\b | \btu\s+es\s+maintenant\b
    | \bagora\s+voc[êe]\s+[ée]\b | игнорируй | забудь.{0,30}инструкц | системн\w+\s+(?:промпт|сообщ)
    | 忽略.{0,12}(?:指令|指示|提示|说明) | 系统提示 | 你现在是 | 無視して | システムプロンプト
    | 지시.{0,8}무시 | تجاهل.{0,20}(?:التعليمات|الأوامر) | निर्देशों.{0,20}(?:अनदेखा|नज़रअंदाज़)
    """,
    re.I | re.X | re.S,
)


def reason_against(question: str, chunk: str, nonce: str = "") -> str | None:
    """Why a question must not be learned from, None if nothing speaks against it."""
    if not SHORTEST <= len(question) <= LONGEST:
        return "length"
    if any(map(_is_hidden, question, " " + question)):
        return "characters"
    plain = unicodedata.normalize("NFKC", question)
    if not any(character.isalpha() for character in plain):
        return "no letters"
    if nonce and nonce in plain:
        return "nonce"
    if _LINK.search(plain):
        return "link"
    if _INSTRUCTIONS.search(plain):
        return "instruction"
    if copied(plain, chunk) > COPIED:
        return "copied"
    return None


def copied(question: str, chunk: str) -> float:
    """Share of the question's runs of words that stand in the chunk as they are."""
    asked, said = _words(question), _words(chunk)
    runs = [tuple(asked[i : i + RUN]) for i in range(len(asked) - RUN + 1)]
    known = {tuple(said[i : i + RUN]) for i in range(len(said) - RUN + 1)}
    return sum(run in known for run in runs) / len(runs) if runs else 0.0


def likeness(question: str) -> str:
    """What near-duplicates have in common: their words, whatever their case and order."""
    return " ".join(sorted(set(_words(unicodedata.normalize("NFKC", question)))))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _is_hidden(character: str, before: str) -> bool:
    """Control, formatting (bidi overrides, zero width, tags), private and broken characters."""
    # Persian, Indic scripts and emoji need the joiners, between characters of their own.
    joins = character in "\u200c\u200d" and before > "\u0600"
    return unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Cn") and not joins
