//! The changefeed tells of every publish, renewal and deletion, once and in order.

use crate::support::TestServer;

async fn feed(server: &TestServer, gun: &str, query: &str) -> Vec<(String, String, i64)> {
    let path = if gun.is_empty() {
        "/v2/_trust/changefeed".to_owned()
    } else {
        format!("/v2/{gun}/_trust/changefeed")
    };
    let json = server.get(&format!("{path}?{query}")).await.ok().json();
    let records = json["records"].as_array().unwrap();
    assert_eq!(json["count"], records.len());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    records
        .iter()
        .map(|r| {
            (
                text(&r["ID"]),
                text(&r["GUN"]),
                r["Version"].as_i64().unwrap(),
            )
        })
        .collect()
}

fn ids(records: &[(String, String, i64)]) -> Vec<&str> {
    records.iter().map(|(id, ..)| id.as_str()).collect()
}

#[tokio::test]
async fn the_feed_pages_forwards_and_backwards() {
    let server = TestServer::start().await;
    for gun in ["a", "b"] {
        server.published(gun).await;
        server.publish(gun, &[]).await.ok();
    }
    server.request("DELETE", "/v2/a/_trust/tuf/").await.ok();
    server
        .request("DELETE", "/v2/nobody/_trust/tuf/")
        .await
        .ok();

    let all = feed(&server, "", "records=0").await;
    assert_eq!(ids(&all), ["1", "2", "3", "4", "5"]);
    assert_eq!(all[4], ("5".into(), "a".into(), 0));
    assert_eq!(
        ids(&feed(&server, "", "records=2&change_id=1").await),
        ["2", "3"]
    );
    assert_eq!(ids(&feed(&server, "", "records=-2").await), ["4", "5"]);
    assert_eq!(
        ids(&feed(&server, "", "records=-2&change_id=3").await),
        ["1", "2"]
    );
    assert_eq!(
        ids(&feed(&server, "a", "records=10").await),
        ["1", "2", "5"]
    );
    assert_eq!(
        ids(&feed(&server, "a", "records=-1&change_id=5").await),
        ["2"]
    );
    assert!(feed(&server, "nobody", "records=10").await.is_empty());
}

#[tokio::test]
async fn a_record_has_the_members_that_its_readers_know() {
    let server = TestServer::start().await;
    server.published("a").await;
    let timestamp = server.file("a", "timestamp.json").await.ok().body;
    let sum = hex::encode(ring::digest::digest(&ring::digest::SHA256, &timestamp));
    server.request("DELETE", "/v2/a/_trust/tuf/").await.ok();
    let answer = server.get("/v2/a/_trust/changefeed?records=2").await.ok();
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let at = server
        .now()
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    assert_eq!(
        answer.text(),
        format!(
            "{{\"count\":2,\"records\":[\
             {{\"ID\":\"1\",\"CreatedAt\":\"{at}\",\"GUN\":\"a\",\"Version\":1,\"SHA256\":\"{sum}\",\"Category\":\"update\"}},\
             {{\"ID\":\"2\",\"CreatedAt\":\"{at}\",\"GUN\":\"a\",\"Version\":0,\"SHA256\":\"\",\"Category\":\"deletion\"}}]}}"
        )
    );
}

#[tokio::test]
async fn wrong_parameters_are_refused() {
    let server = TestServer::start().await;
    for query in ["", "?records=", "?records=x", "?records=1&change_id=x"] {
        let answer = server.get(&format!("/v2/_trust/changefeed{query}")).await;
        assert_eq!(answer.error().0, "INVALID_PARAMETERS", "{query}");
    }
}
