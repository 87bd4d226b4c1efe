"""Plain texts of many kinds, by which the ranges of int8 are found where a user gives none."""

from __future__ import annotations

SENTENCES = (
    "A man is playing the guitar on a small stage.",
    "Two dogs run along the beach after a red ball.",
    "The committee will publish its decision on Thursday, 14 March 2024.",
    "How do I reset the password of my account?",
    "what is the capital of australia",
    "cheap flights to lisbon in september",
    "Mice without the receptor gained 23% less weight than the controls (p < 0.01).",
    "Patients with type 2 diabetes were randomly assigned to metformin or placebo.",
    "Expression of the gene was measured by RT-PCR in tissue of lung, liver and kidney.",
    "Shares of the bank fell 4.5 percent to $31.20 after its third-quarter results.",
    "The prime minister met the leaders of both parties before the vote.",
    "Officials said at least 12 people were injured when the bridge collapsed.",
    "def add(a, b): return a + b",
    "The function raises a ValueError if the list is empty.",
    "Install the package, then restart the server and check the log for errors.",
    "SELECT name, price FROM products WHERE price > 100 ORDER BY name;",
    "I loved the first half of the film, but the ending was a disappointment!",
    "Terrible service. We waited an hour and the soup was cold.",
    "The room was clean, the staff were kind, and the view over the bay was lovely.",
    "In 1687 Newton published the laws of motion and of universal gravitation.",
    "The river rises in the Alps and flows 1,233 km north to the sea.",
    "She was born in a village near Kraków and studied mathematics in Paris.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "The tenant shall give written notice no later than thirty days before the end of the term.",
    "Either party may terminate this agreement if the other commits a material breach.",
    "Mix the flour with the butter, add two eggs, and bake at 180 °C for forty minutes.",
    "yes",
    "No, thank you.",
    "Call me Ishmael.",
    "Where were you last night, and who was with you?",
    "A cat sleeps.",
    "The engine's oil pressure is too low; stop the vehicle at once.",
    "https://example.org/docs/index.html?page=2#install",
    "e-mail: info@example.org, phone: +44 20 7946 0958",
    "Der Zug nach Berlin hat zehn Minuten Verspätung.",
    "La bibliothèque est fermée le dimanche.",
    "El niño juega en el parque con sus amigos.",
    "明日の天気は晴れです。",
    "Я живу в большом городе.",
    "NASA's probe sent back its first pictures of the moon's far side :)",
)
"""Single sentences, queries, code, names of other scripts."""


def calibration_texts() -> list[str]:
    """The sentences one by one, and paragraphs of 4, 10 and all of them, as documents are long."""
    paragraphs = [
        " ".join(SENTENCES[start : start + n])
        for n in (4, 10, len(SENTENCES))
        for start in range(0, len(SENTENCES), n)
    ]
    return [*SENTENCES, *paragraphs]
