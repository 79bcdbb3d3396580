-- One row for each chain of audit lines: its newest line, as a server stored it last.
CREATE TABLE IF NOT EXISTS countersign_audit_chains (
    chain_id   VARCHAR(64) NOT NULL,
    log_name   VARCHAR(255) NOT NULL,
    line_count BIGINT NOT NULL,
    sha256     VARCHAR(64) NOT NULL,
    updated_at TIMESTAMP NULL DEFAULT NULL,
    PRIMARY KEY (chain_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8 COLLATE = utf8_general_ci
