"""Names of the made-up customers, by country: first names and last names as they are written there.

A name that is not written in Latin letters carries its Latin form after a slash, for the e-mail address.
"""

from unicodedata import combining, normalize

PEOPLE: dict[str, tuple[str, str]] = {
    "US": ("Emma Noah Olivia Liam Ava Mason Harper Ethan", "Smith Johnson Williams Brown Davis Miller O'Neill Nguyen"),
    "CA": (
        "Zoé Lucas Léa Nathan Chloé William Maya Félix",
        "Tremblay Gagnon Roy Côté Bouchard MacDonald Singh Lévesque",
    ),
    "GB": (
        "Amelia Oliver Isla Harry Siân George Freya Callum",
        "Taylor Evans Wright Hughes Patel Campbell Begum Clarke",
    ),
    "DE": ("Jürgen Anna Björn Lena Günther Mia Sören Käthe", "Müller Schmidt Weiß Fischer Schröder Köhler Jäger Braun"),
    "FR": ("Élodie Hugo Noémie Théo François Inès Zoë Maël", "Dubois Lefèvre Moreau Faure Bézier Noël Garçon Petit"),
    "AU": (
        "Charlotte Jack Matilda Cooper Ruby Angus Kirra Lachlan",
        "Wilson Kelly Murphy Nguyen Walker Harris Ryan King",
    ),
    "JP": (
        "結衣/Yui 蓮/Ren 陽葵/Himari 湊/Minato 葵/Aoi 大翔/Hiroto 凛/Rin 樹/Itsuki",
        "佐藤/Sato 鈴木/Suzuki 高橋/Takahashi 田中/Tanaka 渡辺/Watanabe 伊藤/Ito 山本/Yamamoto 中村/Nakamura",
    ),
    "IN": (
        "आरव/Aarav Ananya Vihaan दीया/Diya Arjun Ishita Kabir Meera",
        "Sharma Patel Reddy Iyer Gupta सिंह/Singh Nair Banerjee",
    ),
    "BR": (
        "João Beatriz Luís Antônia Caíque Júlia Thiago Conceição",
        "Silva Santos Conceição Araújo Lima Gonçalves Sá Brandão",
    ),
    "MX": ("José Ximena Andrés María Iñaki Sofía Ángel Lucía", "Hernández García Muñoz López Ibáñez Ramírez Peña Ruiz"),
}


def written(name: str) -> str:
    """Return the name as its bearer writes it."""
    return name.partition("/")[0]


def ascii_letters(name: str) -> str:
    """Return the name in lower-case letters a to z."""
    latin = name.rpartition("/")[2].lower().replace("ß", "ss")
    return "".join(char for char in normalize("NFKD", latin) if "a" <= char <= "z" and not combining(char))
