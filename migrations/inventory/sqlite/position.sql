CREATE TABLE IF NOT EXISTS countersign_position (
    name       BLOB NOT NULL,
    line       BIGINT NOT NULL,
    line_sum   BLOB NOT NULL,
    settled_at BIGINT NOT NULL,
    walked_at  BIGINT NOT NULL,
    PRIMARY KEY (name)
)
