CREATE TABLE IF NOT EXISTS change_category (
    category VARCHAR(20) NOT NULL,
    PRIMARY KEY (category)
) ENGINE = InnoDB DEFAULT CHARSET = utf8 COLLATE = utf8_general_ci
