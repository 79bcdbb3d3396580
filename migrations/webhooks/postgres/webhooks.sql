CREATE TABLE IF NOT EXISTS countersign_webhooks (
    name          BYTEA NOT NULL,
    fence         BIGINT NOT NULL,
    beat          BIGINT NOT NULL,
    holder        BYTEA NOT NULL,
    line          BIGINT NOT NULL,
    line_sum      BYTEA NOT NULL,
    line_at       BIGINT NOT NULL,
    publishers_at BIGINT NOT NULL,
    server_at     BIGINT NOT NULL,
    wake          BIGINT NOT NULL,
    delivered_at  BIGINT NOT NULL,
    PRIMARY KEY (name)
)
