CREATE TABLE IF NOT EXISTS countersign_tags (
    gun        BYTEA NOT NULL,
    role       BYTEA NOT NULL,
    name_start BYTEA NOT NULL,
    name_sum   BYTEA NOT NULL,
    name       BYTEA NOT NULL,
    digest     BYTEA NOT NULL,
    length     BIGINT NOT NULL,
    PRIMARY KEY (gun, role, name_start, name_sum)
)
