CREATE TABLE IF NOT EXISTS countersign_overview (
    gun          BYTEA NOT NULL,
    revision     BIGINT NOT NULL,
    edition      BIGINT NOT NULL,
    head_version BIGINT NOT NULL,
    head_sum     BYTEA NOT NULL,
    format       BYTEA NOT NULL,
    published_at BIGINT NOT NULL,
    computed_at  BIGINT NOT NULL,
    stale_at     BIGINT NOT NULL,
    next_expiry  BIGINT NOT NULL,
    next_role    BYTEA NOT NULL,
    health       BIGINT NOT NULL,
    tags         BIGINT NOT NULL,
    signers      BIGINT NOT NULL,
    size         BIGINT NOT NULL,
    detail       BYTEA NOT NULL,
    PRIMARY KEY (gun)
)
