CREATE TABLE IF NOT EXISTS countersign_webhooks (
    name          VARBINARY(64) NOT NULL,
    fence         BIGINT NOT NULL,
    beat          BIGINT NOT NULL,
    holder        VARBINARY(64) NOT NULL,
    line          BIGINT NOT NULL,
    line_sum      VARBINARY(64) NOT NULL,
    line_at       BIGINT NOT NULL,
    publishers_at BIGINT NOT NULL,
    server_at     BIGINT NOT NULL,
    wake          BIGINT NOT NULL,
    delivered_at  BIGINT NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC
