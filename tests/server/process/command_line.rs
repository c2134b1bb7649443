//! The commands with `--server`, through a sidecar.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_goes_through_a_sidecar() {
    let Some(home) = Home::new() else { return };
    let key = "the-key-of-the-writer";
    let tenants = ["--set", &format!("server.tenants.ann.key={key}"), "--set", "server.tenants.ann.write=true"];
    let served = home.serve(&tenants);
    ready(served.address).await;
    let url = format!("http://{}", served.address);
    let run = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        let output = command.args(["--server", &url]).env("ASKTWICE__CLIENT__KEY", key).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", error(&output));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let article = |id: &str, text: &str| json!({"_id": id, "text": text, "topic": "orders"}).to_string();
    let articles =
        [article("late", "Follow the courier on the map."), article("twice", "A second payment is pending.")];
    fs::write(home.path().join("articles.jsonl"), articles.join("\n")).unwrap();
    let paragraph =
        |n: usize| format!("## Part {n}\n\n{}", "The bread is flat because the dough was young. ".repeat(40));
    let bread = |parts: usize| {
        fs::write(home.path().join("bread.md"), (0..parts).map(paragraph).collect::<Vec<_>>().join("\n\n"))
    };
    bread(6).unwrap();
    let report = |said: String| -> Value { serde_json::from_str(&said).unwrap() };
    let first = report(run(&["index", "articles.jsonl", "bread.md", "--json"]).0);
    let second = report(run(&["index", "articles.jsonl", "bread.md", "--json"]).0);
    assert!(first["indexed"].as_u64().unwrap() > 6 && first["problems"]["count"] == 0, "{first}");
    assert_eq!((&second["indexed"], &second["skipped"]), (&json!(0), &first["indexed"]));
    bread(2).unwrap();
    let shorter = report(run(&["index", "bread.md", "--json"]).0);
    assert!(shorter["deleted"].as_u64().unwrap() >= 3, "{shorter}");

    let (answer, _) = run(&["ask", "where is my courier?", "--json", "--limit", "1"]);
    assert_eq!(report(answer)["hits"][0]["passage"]["id"], "late");
    let filter = r#"{"must": [{"key": "topic", "match": {"value": "orders"}}]}"#;
    let (text, _) = run(&["ask", "why is my bread flat?", "--filter", filter, "--fusion", "rrf:10", "--legs", "dense"]);
    assert!(
        text.contains("asked    why is my bread flat?") && text.contains("dense #1") && !text.contains("bread.md"),
        "{text}"
    );

    let judged = [
        json!({"question": "where is my courier?", "answers": ["late"]}),
        json!({"question": "why was I charged again?", "answers": ["twice"]}),
        json!({"question": "why is my bread flat?", "answers": ["nowhere"]}),
    ];
    fs::write(home.path().join("judged.jsonl"), judged.map(|line| line.to_string()).join("\n")).unwrap();
    let eval = ["eval", "--questions", "judged.jsonl"];
    let two = ["--fusion", "rrf", "--configuration", "words=legs:bm25,depth:20", "--json"];
    let measured = report(run(&[&eval[..], &two].concat()).0);
    let runs = measured["runs"].as_array().unwrap();
    let names: Vec<_> = runs.iter().map(|run| (&run["configuration"], &run["name"], &run["questions"])).collect();
    let three = json!(3);
    let asked = json!("asked");
    assert_eq!(names, [(&json!("rrf"), &asked, &three), (&json!("words"), &asked, &three)], "{measured}");
    // Two of three stand first, the third is not there.
    assert!((runs[0]["mrr_at_10"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{measured}");
    let notes = measured["notes"].to_string();
    assert!(notes.contains("the first is 3") && notes.contains("rewrote no question"), "{notes}");
    let cases: [(&[&str], &str); 6] = [
        (&["--rewrites", "judged.jsonl"], "--rewrites"),
        (&["--feedback", "rocchio"], "--feedback"),
        (&["--ablation"], "--ablation"),
        (&["--gate"], "--gate"),
        (&["--recall"], "--recall"),
        (&["--configuration", "half=weight:0.5"], "weight, of the configuration half,"),
    ];
    for (flags, named) in cases {
        let refused = home.run(&[&eval[..], flags, &["--server", &url]].concat());
        assert_eq!(refused.status.code(), Some(2), "{flags:?}: {}", error(&refused));
        assert!(error(&refused).contains(&format!("--server: {named} cannot be used")), "{}", error(&refused));
    }

    let without_key = home.run(&["ask", "where?", "--server", &url]);
    assert_eq!(without_key.status.code(), Some(2));
    assert!(error(&without_key).contains("client.key_file"), "{}", error(&without_key));
    served.signal("TERM");
    assert_eq!(served.end().0, Some(0));
    let gone = home.run(&["ask", "where?", "--server", &url]);
    assert_eq!(gone.status.code(), Some(4));
    assert!(error(&gone).contains("refused the connection"), "{}", error(&gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sidecar_makes_of_rewrites_can_be_measured() {
    let Some(home) = Home::new() else { return };
    let rewrites = json!({"question": "half my grub is gone", "rewrites": ["Items are missing from my order."]});
    fs::write(home.path().join("rewrites.jsonl"), rewrites.to_string()).unwrap();
    let served = home.serve(&["--set", "rewrite.recorded_file=rewrites.jsonl", "--set", "rewrite.deadline_ms=2000"]);
    ready(served.address).await;
    let article = |id: &str, text: &str| json!({"id": id, "text": text});
    let articles = [article("missing", "If items are missing, report your order."), article("pay", "Pay by card.")];
    let written = Request::post("/v1/passages", &json!({ "passages": articles })).send(served.address).await;
    assert_eq!(written.status, 200, "{}", written.text());
    let judged = json!({"question": "half my grub is gone", "answers": ["missing"]});
    fs::write(home.path().join("judged.jsonl"), judged.to_string()).unwrap();
    let url = format!("http://{}", served.address);
    let output =
        home.run(&["eval", "--questions", "judged.jsonl", "--server", &url, "--json", "--html", "report.html"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
    let fused = &measured["runs"][1];
    assert_eq!((&fused["name"], &fused["rewrites"]), (&json!("fused"), &json!("the sidecar's")), "{measured}");
    assert_eq!((&fused["mrr_at_10"], &fused["llm_calls"]), (&json!(1.0), &json!(1)), "{measured}");
    assert!(fs::read_to_string(home.path().join("report.html")).unwrap().contains("fused"));
    let table = home.run(&["eval", "--questions", "judged.jsonl", "--server", &url]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("a question's whole answer, the language model included"), "{table}");
}
