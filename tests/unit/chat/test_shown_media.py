"""What is shown of media on their way out, on both databases."""

from tests.unit.chat.chat_world import World

from dragoman.domain.chat.channels import repository
from dragoman.domain.chat.channels.ports import Outgoing, OutgoingMedia
from dragoman.domain.chat.channels.tables import channel_outbound
from dragoman.domain.chat.channels.watch import repository as watch

PICTURE = OutgoingMedia("image", "data:image/png;base64,AAAA", "picture.png")


async def test_media_are_named_and_texts_have_no_name(world: World) -> None:
    contact = await world.database.write(
        repository.contact_of, world.client.id, "telegram", "42", None, world.clock()
    )
    pieces = [Outgoing("Here it is."), Outgoing("", media=PICTURE), Outgoing("", b"sound", "audio/ogg")]
    await world.database.write(repository.put_out, contact.key, "answer", pieces, world.clock())
    said = await world.database.read(watch.said, contact.key, limit=10)
    assert [(one.text, one.filename) for one in said] == [
        ("Here it is.", None),
        ("", "picture.png"),
        ("", None),
    ]
    assert await world.database.read(repository.unsent, world.client.id, limit=10) == []
    await world.database.write(
        lambda connection: connection.execute(
            channel_outbound.update().values(state="dead", error="refused", attempts=2)
        )
    )
    unsent = await world.database.read(repository.unsent, world.client.id, limit=10)
    assert {found.id for found, _ in unsent} == {contact.id}
    assert [(piece.text, piece.media_kind, piece.filename, piece.attempts) for _, piece in unsent] == [
        ("", None, None, 2),
        ("", "image", "picture.png", 2),
        ("Here it is.", None, None, 2),
    ]
