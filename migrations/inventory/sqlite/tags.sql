CREATE TABLE IF NOT EXISTS countersign_tags (
    gun        BLOB NOT NULL,
    role       BLOB NOT NULL,
    name_start BLOB NOT NULL,
    name_sum   BLOB NOT NULL,
    name       BLOB NOT NULL,
    digest     BLOB NOT NULL,
    length     BIGINT NOT NULL,
    PRIMARY KEY (gun, role, name_start, name_sum)
) WITHOUT ROWID
