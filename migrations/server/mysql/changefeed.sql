CREATE TABLE IF NOT EXISTS changefeed (
    id         INT(11) NOT NULL AUTO_INCREMENT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    gun        VARCHAR(255) NOT NULL,
    version    INT(11) NOT NULL,
    sha256     CHAR(64) DEFAULT NULL,
    category   VARCHAR(20) NOT NULL DEFAULT 'update',
    PRIMARY KEY (id),
    FOREIGN KEY (category) REFERENCES change_category (category),
    KEY idx_changefeed_gun (gun)
) ENGINE = InnoDB DEFAULT CHARSET = utf8 COLLATE = utf8_general_ci
