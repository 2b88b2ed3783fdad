"""What people on messaging services are told where the agent cannot speak."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

Occasion: TypeAlias = Literal["reset", "too_many", "over", "failed", "not_understood"]

_TEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "reset": "The conversation starts anew.",
            "too_many": "That was a lot of messages. Please wait a while before you write again.",
            "over": "This conversation can't go on here. Please contact us in another way.",
            "failed": "Sorry, I can't answer at the moment. Please try again later.",
            "not_understood": "Sorry, I can't work with this message. Please write it as text.",
        },
        "pt": {
            "reset": "A conversa recomeça agora.",
            "too_many": "Foram muitas mensagens. Aguarde um pouco antes de escrever de novo.",
            "over": "Esta conversa não pode continuar aqui. Fale conosco por outro meio.",
            "failed": "Desculpe, não consigo responder agora. Tente de novo mais tarde.",
            "not_understood": "Desculpe, não consigo usar esta mensagem. Escreva em texto, por favor.",
        },
        "es": {
            "reset": "La conversación empieza de nuevo.",
            "too_many": "Han sido muchos mensajes. Espere un poco antes de volver a escribir.",
            "over": "Esta conversación no puede seguir aquí. Contáctenos por otro medio.",
            "failed": "Lo siento, ahora no puedo responder. Inténtelo más tarde.",
            "not_understood": "Lo siento, no puedo usar este mensaje. Escríbalo como texto, por favor.",
        },
        "fr": {
            "reset": "La conversation recommence.",
            "too_many": "Cela fait beaucoup de messages. Patientez un peu avant d'écrire à nouveau.",
            "over": "Cette conversation ne peut pas continuer ici. Contactez-nous autrement.",
            "failed": "Désolé, je ne peux pas répondre pour le moment. Réessayez plus tard.",
            "not_understood": "Désolé, je ne peux pas utiliser ce message. Écrivez-le en texte, s'il vous plaît.",
        },
        "de": {
            "reset": "Das Gespräch beginnt von vorn.",
            "too_many": "Das waren viele Nachrichten. Bitte warten Sie ein wenig, bevor Sie wieder schreiben.",
            "over": "Dieses Gespräch kann hier nicht weitergehen. Bitte melden Sie sich auf anderem Weg.",
            "failed": "Leider kann ich gerade nicht antworten. Bitte versuchen Sie es später noch einmal.",
            "not_understood": "Mit dieser Nachricht kann ich leider nichts anfangen. Bitte schreiben Sie sie als Text.",
        },
        "ar": {
            "reset": "تبدأ المحادثة من جديد.",
            "too_many": "رسائل كثيرة. يرجى الانتظار قليلاً قبل الكتابة مرة أخرى.",
            "over": "لا يمكن متابعة هذه المحادثة هنا. يرجى التواصل معنا بطريقة أخرى.",
            "failed": "عذراً، لا أستطيع الرد الآن. يرجى المحاولة لاحقاً.",
            "not_understood": "عذراً، لا أستطيع التعامل مع هذه الرسالة. يرجى كتابتها نصاً.",
        },
    }
)


def polite(occasion: Occasion, language: str | None) -> str:
    """The sentence in the language, or in English."""
    texts = _TEXTS.get((language or "en").split("-")[0].casefold(), _TEXTS["en"])
    return texts[occasion]
