CREATE TABLE IF NOT EXISTS countersign_position (
    name       VARBINARY(32) NOT NULL,
    line       BIGINT NOT NULL,
    line_sum   VARBINARY(32) NOT NULL,
    settled_at BIGINT NOT NULL,
    walked_at  BIGINT NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC
