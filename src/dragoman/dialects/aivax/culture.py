"""The words on the chat page, by language."""

from dragoman.kit.jsontypes import JsonValue

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
)
_WORDS = {
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
    ),
}
_FALLBACK = "en"


def culture(language: str | None, accepted: str | None) -> dict[str, JsonValue]:
    """The words in the client's language, or where it names none in the best of the browser's that is known.

    Args:
        accepted: the header ``Accept-Language``.
    """
    wanted = [language] if language else _by_preference(accepted or "")
    known = next((base for tag in wanted if (base := tag.partition("-")[0].lower()) in _WORDS), _FALLBACK)
    return {"languageCode": known, **dict(zip(_NAMES, _WORDS[known], strict=True))}


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
