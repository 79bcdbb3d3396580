CREATE TABLE IF NOT EXISTS countersign_position (
    name       BYTEA NOT NULL,
    line       BIGINT NOT NULL,
    line_sum   BYTEA NOT NULL,
    settled_at BIGINT NOT NULL,
    walked_at  BIGINT NOT NULL,
    PRIMARY KEY (name)
)
