"""The words on the pages, by language."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_NAMES = (
    "sendButtonLabel",
    "stopButtonLabel",
    "retryButtonLabel",
    "inputPlaceholder",
    "attachLabel",
    "cancelledLabel",
    "errorLabel",
    "limitLabel",
    "unavailableLabel",
    "copyLabel",
    "sourcesLabel",
    "transcriptLabel",
    "recordLabel",
    "removeLabel",
    "offlineLabel",
    "youLabel",
    "answerLabel",
    "conversationLabel",
    "scriptsLabel",
)
_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "en": (
            "Send",
            "Stop",
            "Try again",
            "Type a message...",
            "Attach a file",
            "Stopped",
            "Something went wrong. Please try again.",
            "You have sent too many messages. Please wait a while.",
            "This chat is not available.",
            "Copy",
            "Sources",
            "Download transcript",
            "Record",
            "Remove",
            "You are offline. The answer goes on when you are back.",
            "You",
            "Answer",
            "Conversation",
            "This chat needs JavaScript here.",
        ),
        "pt": (
            "Enviar",
            "Parar",
            "Tentar de novo",
            "Digite uma mensagem...",
            "Anexar um arquivo",
            "Interrompido",
            "Algo deu errado. Tente de novo.",
            "Você enviou mensagens demais. Espere um pouco.",
            "Este chat não está disponível.",
            "Copiar",
            "Fontes",
            "Baixar a conversa",
            "Gravar",
            "Remover",
            "Você está sem conexão. A resposta continua quando ela voltar.",
            "Você",
            "Resposta",
            "Conversa",
            "Este chat precisa de JavaScript aqui.",
        ),
        "es": (
            "Enviar",
            "Parar",
            "Reintentar",
            "Escribe un mensaje...",
            "Adjuntar un archivo",
            "Detenido",
            "Algo salió mal. Inténtalo de nuevo.",
            "Has enviado demasiados mensajes. Espera un poco.",
            "Este chat no está disponible.",
            "Copiar",
            "Fuentes",
            "Descargar la conversación",
            "Grabar",
            "Quitar",
            "Estás sin conexión. La respuesta sigue cuando vuelva.",
            "Tú",
            "Respuesta",
            "Conversación",
            "Este chat necesita JavaScript aquí.",
        ),
        "fr": (
            "Envoyer",
            "Arrêter",
            "Réessayer",
            "Écrivez un message...",
            "Joindre un fichier",
            "Interrompu",
            "Une erreur est survenue. Réessayez.",
            "Vous avez envoyé trop de messages. Patientez un peu.",
            "Cette discussion n'est pas disponible.",
            "Copier",
            "Sources",
            "Télécharger la discussion",
            "Enregistrer",
            "Retirer",
            "Vous êtes hors ligne. La réponse reprendra à votre retour.",
            "Vous",
            "Réponse",
            "Discussion",
            "Cette discussion a besoin de JavaScript ici.",
        ),
        "de": (
            "Senden",
            "Anhalten",
            "Noch einmal",
            "Nachricht eingeben...",
            "Datei anhängen",
            "Angehalten",
            "Etwas ist schiefgegangen. Bitte versuchen Sie es noch einmal.",
            "Sie haben zu viele Nachrichten gesendet. Bitte warten Sie etwas.",
            "Dieser Chat ist nicht verfügbar.",
            "Kopieren",
            "Quellen",
            "Gespräch herunterladen",
            "Aufnehmen",
            "Entfernen",
            "Sie sind offline. Die Antwort geht weiter, sobald Sie zurück sind.",
            "Sie",
            "Antwort",
            "Gespräch",
            "Dieser Chat braucht hier JavaScript.",
        ),
        "it": (
            "Invia",
            "Ferma",
            "Riprova",
            "Scrivi un messaggio...",
            "Allega un file",
            "Interrotto",
            "Qualcosa è andato storto. Riprova.",
            "Hai inviato troppi messaggi. Attendi un po'.",
            "Questa chat non è disponibile.",
            "Copia",
            "Fonti",
            "Scarica la conversazione",
            "Registra",
            "Rimuovi",
            "Sei offline. La risposta riprende quando torni.",
            "Tu",
            "Risposta",
            "Conversazione",
            "Questa chat richiede JavaScript qui.",
        ),
        "ar": (
            "إرسال",
            "إيقاف",
            "إعادة المحاولة",
            "اكتب رسالة...",
            "إرفاق ملف",
            "متوقف",
            "حدث خطأ ما. حاول مرة أخرى.",
            "أرسلت رسائل كثيرة. يرجى الانتظار قليلاً.",
            "هذه المحادثة غير متاحة.",
            "نسخ",
            "المصادر",
            "تنزيل المحادثة",
            "تسجيل",
            "إزالة",
            "أنت غير متصل. ستكمل الإجابة عند عودتك.",
            "أنت",
            "الإجابة",
            "المحادثة",
            "تحتاج هذه المحادثة إلى JavaScript هنا.",
        ),
    }
)
_RIGHT_TO_LEFT = frozenset({"ar"})
_FALLBACK = "en"


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language."""

    language: str
    texts: Mapping[str, str]

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``."""
        return "rtl" if self.language in _RIGHT_TO_LEFT else "ltr"

    def __getitem__(self, name: str) -> str:
        return self.texts[name]


def words_in(language: str | None, accepted: str | None) -> Words:
    """The words in the given language, or where there is none in the best of the browser's that is known.

    Args:
        accepted: the header ``Accept-Language``.
    """
    wanted = [language] if language else _by_preference(accepted or "")
    known = next((base for tag in wanted if (base := tag.partition("-")[0].lower()) in _WORDS), _FALLBACK)
    return Words(known, dict(zip(_NAMES, _WORDS[known], strict=True)))


def _by_preference(header: str) -> list[str]:
    ranked: list[tuple[float, str]] = []
    for entry in header.split(",")[:20]:
        tag, _, parameters = entry.strip().partition(";")
        name, _, value = parameters.strip().partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            weight = 0.0
        ranked.append((weight, tag.strip()))
    return [tag for weight, tag in sorted(ranked, key=lambda pair: -pair[0]) if weight > 0]
