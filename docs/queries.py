"""Questions that people ask a catalogue, in SQL that SQLite and PostgreSQL both answer.

`docs/catalog.md` shows them, `metadata.yaml` gives them to Datasette, and the tests run each.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Query:
    """One question.

    Attributes:
        name: short, for an address.
        question: as a person asks it.
        sql: the answer.
        example: values for its parameters.
    """

    name: str
    question: str
    sql: str
    example: dict[str, str] = field(default_factory=dict)


QUERIES = (
    Query(
        "counts",
        "How many pictures of each class are there, and in which status?",
        """
SELECT label, name, status, SUM(images) AS images
FROM label_counts
GROUP BY label, name, status
ORDER BY label, status
""",
    ),
    Query(
        "reasons",
        "Why are pictures left out?",
        """
SELECT status, reason, label, COUNT(*) AS images
FROM images
WHERE status IN ('quarantined', 'rejected')
GROUP BY status, reason, label
ORDER BY images DESC, status, reason
""",
    ),
    Query(
        "origin",
        "Where does this picture come from? Every card that showed it, oldest first.",
        """
SELECT label, title, asin, product_url, page_url, page_number, position, sponsored, spider, seen_at
FROM image_provenance
WHERE sha256 = :sha256
ORDER BY seen_at, position
""",
        {"sha256": "0" * 64},
    ),
    Query(
        "duplicates",
        "Which pictures are duplicates, and of which kept picture?",
        """
SELECT kind, distance, path, width, height, kept_path, kept_width, kept_height, rule
FROM duplicate_pairs
ORDER BY distance DESC, path
""",
    ),
    Query(
        "crawls",
        "What did each crawl bring?",
        """
SELECT crawl_id, spider, origin, state, started_at, pages, cards, images, new_images, kept
FROM crawl_yield
ORDER BY crawl_id
""",
    ),
    Query(
        "groups",
        "Which groups are the largest? Their pictures never part in a split.",
        """
SELECT group_id, COUNT(*) AS images, SUM(CASE WHEN status = 'kept' THEN 1 ELSE 0 END) AS kept,
       COUNT(DISTINCT label) AS labels, MIN(path) AS one_of_them
FROM images
WHERE group_id IS NOT NULL
GROUP BY group_id
HAVING COUNT(*) > 1
ORDER BY images DESC, group_id
LIMIT 50
""",
    ),
    Query(
        "conflicts",
        "Which pictures were shown under two classes, and with which titles?",
        """
SELECT image_id, path, label, title, page_url
FROM image_provenance
WHERE status = 'quarantined' AND reason = 'label_conflict'
ORDER BY image_id, label
""",
    ),
    Query(
        "look-alikes",
        "Which kept pictures of different classes look alike? A person should see these.",
        """
SELECT a.label, a.path, b.label AS other_label, b.path AS other_path, l.kind, l.way, l.distance, l.distance256
FROM likenesses l
JOIN images a ON a.id = l.image_id
JOIN images b ON b.id = l.other_id
WHERE a.status = 'kept' AND b.status = 'kept' AND a.label <> b.label
ORDER BY l.distance256, l.distance
""",
    ),
    Query(
        "sources",
        "How many kept pictures of each class come from each source or brand? One source alone teaches a model the shop.",
        """
SELECT label, source, COUNT(*) AS images
FROM (
    SELECT i.id, i.label, COALESCE(MIN(i.source), MIN(p.brand), 'unknown') AS source
    FROM images i
    LEFT JOIN sightings s ON s.image_id = i.id
    LEFT JOIN products p ON p.id = s.product_id
    WHERE i.status = 'kept'
    GROUP BY i.id, i.label
) AS kept
GROUP BY label, source
ORDER BY label, images DESC, source
""",
    ),
    Query(
        "products",
        "Which products were seen most often, and with how many pictures?",
        """
SELECT p.asin, p.title, COUNT(*) AS sightings, COUNT(DISTINCT s.image_id) AS images, COUNT(DISTINCT s.crawl_id) AS crawls
FROM products p
JOIN sightings s ON s.product_id = p.id
GROUP BY p.asin, p.title
ORDER BY sightings DESC, p.asin
LIMIT 50
""",
    ),
    Query(
        "sponsored",
        "What share of the cards is advertising, page by page?",
        """
SELECT crawl_id, page_number, COUNT(*) AS cards, SUM(CASE WHEN sponsored THEN 1 ELSE 0 END) AS sponsored
FROM image_provenance
GROUP BY crawl_id, page_number
ORDER BY crawl_id, page_number
""",
    ),
    Query(
        "smallest",
        "Which kept pictures are the smallest?",
        """
SELECT id, label, width, height, bytes, format, path
FROM images
WHERE status = 'kept'
ORDER BY width * height, id
LIMIT 50
""",
    ),
)

# SQLite only: Datasette's plugin datasette-json-html turns the first column into pictures.
GALLERY = Query(
    "gallery",
    "The newest kept pictures of one class.",
    """
SELECT json_object('img_src', '/images/' || path, 'width', 160) AS picture, id, label, width, height, first_seen_at
FROM images
WHERE status = 'kept' AND label = :label
ORDER BY id DESC
LIMIT 100
""",
    {"label": "0"},
)
