//! Tables and views by REST.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use supabase_stack::stack::Stack;

use super::scene::{Answer, Ask, play, superuser, users};
use super::tokens::{Intruder, Standing, forgers};
use super::victim::{Victim, relations};

const JSON: &str = "application/json";

/// A table or view with its columns and its key.
struct Relation {
    name: String,
    columns: Vec<String>,
    key: Vec<String>,
    /// The victim's.
    row: Value,
}

async fn catalogue(stack: &Stack, victim: &Victim) -> Vec<Relation> {
    let mut superuser = superuser(stack).await;
    let mut names = async |sql: String| {
        let rows = superuser.rows(&sql).await.unwrap();
        rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for (name, row) in &victim.rows {
        let of = format!("a.attrelid = 'public.{name}'::regclass and a.attnum > 0 and not a.attisdropped");
        let columns =
            names(format!("select a.attname from pg_attribute a where {of} order by a.attnum")).await;
        let key = names(format!(
            "select a.attname from pg_attribute a join pg_index i
            on i.indrelid = a.attrelid and i.indisprimary and a.attnum = any (i.indkey) where {of}"
        ));
        all.push(Relation { name: name.clone(), columns, key: key.await, row: row.clone() });
    }
    all
}

fn without(row: &Value, column: &str) -> Value {
    let mut row = row.clone();
    row.as_object_mut().unwrap().remove(column);
    row
}

/// A value as it stands in a filter; `None` for what no filter can hold.
fn operand(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(values) => format!("{{{}}}", values.first()?.as_str()?),
        _ => return None,
    };
    Some(text.replace('+', "%2B"))
}

impl Relation {
    /// Questions that a client may ask.
    fn reads(&self, victim: &Victim, others: &[Relation]) -> Vec<Ask> {
        let Self { name, columns, .. } = self;
        let user = victim.user.id;
        let mut asks = vec![
            Ask::get(name),
            Ask::get(format!("{name}?select=*")).with("prefer", "count=exact"),
            Ask::get(format!("{name}?select={}", columns.join(","))).with("prefer", "count=exact"),
            Ask::get(format!("{name}?user_id=eq.{user}")).with("prefer", "count=exact"),
            Ask::get(format!("{name}?user_id=in.({user})")).with("accept", "text/csv"),
            Ask::get(format!("{name}?user_id=neq.00000000-0000-0000-0000-000000000000&order=user_id.desc")),
            Ask::get(format!("{name}?or=(user_id.eq.{user},user_id.not.is.null)")),
            Ask::get(format!("{name}?limit=1&offset=0")).with("accept", "application/vnd.pgrst.object+json"),
            Ask::get(name).with("range-unit", "items").with("range", "0-0").with("prefer", "count=exact"),
            Ask::get(name).with("range", "0-0").with("prefer", "count=planned"),
            Ask::get(name).with("accept", "application/vnd.pgrst.plan+json; options=analyze"),
            Ask::get(name).with("prefer", "count=planned").with("prefer", "tx=rollback"),
            Ask::get(name).with("prefer", "count=estimated"),
            Ask::get(format!("{name}?select=count()")),
            Ask::get(format!("{name}?select=user_id,count(),max({})", columns[1])),
            Ask::get(format!("{name}?select=user_id::text,x:{}::text", columns[1])),
            Ask::get(format!("{name}?select=user_id,users(*)")),
            Ask::get(format!("{name}?select=user_id,users!{name}_user_id_fkey(id,email)")),
            Ask::new(Method::HEAD, name).with("prefer", "count=exact"),
            Ask::new(Method::HEAD, format!("{name}?user_id=eq.{user}")).with("prefer", "count=planned"),
            Ask::new(Method::OPTIONS, name),
        ];
        for other in others {
            let other = &other.name;
            asks.push(Ask::get(format!("{name}?select=*,{other}(*)")).with("prefer", "count=exact"));
            asks.push(Ask::get(format!("{name}?select=user_id,{other}!inner(*)&{other}.user_id=eq.{user}")));
        }
        asks
    }

    /// A comparison with each value of the victim's.
    fn guesses(&self, victim: &Victim) -> Vec<Ask> {
        let Self { name, row, .. } = self;
        let mut asks = Vec::new();
        for (column, value) in row.as_object().unwrap() {
            let Some(operand) = operand(value) else { continue };
            let operators = if value.is_array() { ["cs", "ov"] } else { ["eq", "gte"] };
            for operator in operators {
                for count in ["exact", "planned", "estimated"] {
                    let path = format!("{name}?select=user_id&{column}={operator}.{operand}");
                    asks.push(Ask::get(path).with("prefer", format!("count={count}")));
                }
            }
            if value.as_str().is_some_and(|text| victim.is_secret(text)) {
                let path = format!("{name}?select=user_id&{column}=like.{operand}*");
                asks.push(Ask::get(path).with("prefer", "count=planned"));
            }
        }
        asks
    }

    /// What a client may try to write.
    fn writes(&self, victim: &Victim) -> Vec<Ask> {
        let Self { name, columns, key, row } = self;
        let user = victim.user.id;
        let (back, merge) = ("return=representation", "resolution=merge-duplicates,return=representation");
        let on_key: Vec<String> = key
            .iter()
            .map(|column| format!("{column}=eq.{}", operand(&row[column]).unwrap_or_default()))
            .collect();
        let on_key = on_key.join("&");
        let without_key = key.iter().fold(row.clone(), |row, column| without(&row, column));
        let post = |path: String, prefer: &str, body: &Value| {
            Ask::new(Method::POST, path).json(body).with("prefer", prefer).with("accept", JSON)
        };
        let mut asks = vec![
            post(name.clone(), back, row),
            post(name.clone(), "return=minimal", &json!([row])),
            post(name.clone(), "return=headers-only,count=exact", row),
            post(format!("{name}?columns={}", columns.join(",")), back, row),
            post(name.clone(), "missing=default,return=representation", &json!([{ "user_id": user }])),
            // The user's own row, with an id that is somebody else's as well.
            post(name.clone(), back, &without(row, "user_id")),
            post(name.clone(), back, &without(&without(row, "user_id"), "id")),
            post(name.clone(), "return=minimal", &without(&without_key, "user_id")),
            Ask::new(Method::PUT, format!("{name}?{on_key}")).json(row).with("prefer", back),
        ];
        if !key.is_empty() {
            let path = format!("{name}?on_conflict={}", key.join(","));
            asks.push(post(path.clone(), merge, row));
            asks.push(post(path.clone(), "resolution=ignore-duplicates,return=representation", row));
            asks.push(post(path, merge, &without(row, "user_id")));
        }
        for filter in [format!("user_id=eq.{user}"), on_key.clone(), "user_id=not.is.null".to_owned()] {
            for body in [json!({ "user_id": user }), without_key.clone(), row.clone()] {
                let path = format!("{name}?{filter}");
                asks.push(
                    Ask::new(Method::PATCH, path)
                        .json(&body)
                        .with("prefer", "return=representation,count=exact"),
                );
            }
        }
        for filter in [format!("user_id=eq.{user}"), on_key, "user_id=not.is.null".to_owned(), String::new()]
        {
            let path = format!("{name}?{filter}");
            asks.push(Ask::new(Method::DELETE, path).with("prefer", "return=representation,count=exact"));
        }
        asks
    }
}

/// Asks one after the other, as somebody may; some of the later depend on the earlier.
async fn transcript(stack: &Stack, intruder: &Intruder, asks: &[Ask]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for ask in asks {
        answers.push(intruder.puts(ask).send(stack).await);
    }
    answers
}

/// Looks at each answer by itself.
fn judge(victim: &Victim, intruder: &Intruder, asks: &[Ask], answers: &[Answer]) {
    // What somebody has said may be told back.
    let mut said = String::new();
    for (ask, answer) in asks.iter().zip(answers) {
        said += &intruder.puts(ask).said();
        judge_one(victim, intruder, (ask, &said), answer);
    }
}

fn judge_one(victim: &Victim, intruder: &Intruder, (ask, said): (&Ask, &str), answer: &Answer) {
    let told = || format!("{}: {}\n{}", intruder.name, ask.shown(), answer.said());
    assert!(answer.status < 500, "{}", told());
    assert_eq!(victim.told(&answer.said(), said), None, "{}", told());
    if [Method::GET, Method::HEAD].contains(&ask.method) {
        assert!(matches!(answer.count(), None | Some("*" | "0")), "a count: {}", told());
        let has_rows = answer.body.contains('{') || answer.body.lines().count() > 1;
        assert!(answer.status >= 300 || !has_rows, "rows: {}", told());
    }
    // The one says nothing about rows, the other has no body to say it in.
    let is_live = ask.path.starts_with("routing_metrics");
    if ask.method == Method::OPTIONS {
        return;
    }
    if ask.method == Method::HEAD {
        let is_refused = answer.status >= 400;
        assert!(is_refused || is_live || intruder.standing > Standing::Nobody, "{}", told());
        return;
    }
    let code = answer.code();
    match intruder.standing {
        Standing::Outside => {
            assert!(answer.status == 401 && (code.is_empty() || code.starts_with("PGRST30")), "{}", told())
        }
        // Whether there is a live line is for a policy to say, and that says no.
        Standing::Nobody => assert!(code == "42501" || code.starts_with("PGRST") || is_live, "{}", told()),
        Standing::Nameless => {
            assert!((answer.status < 300 && !answer.body.contains('{')) || !code.is_empty(), "{}", told())
        }
        Standing::Tenant => {}
    }
}

#[test]
fn another_tenant_is_told_the_same_of_somebodys_rows_as_of_nobodys() {
    play(async |stack| {
        let victim = Victim::new(stack).await;
        let before = victim.everything(stack).await;
        let relations = catalogue(stack, &victim).await;
        join_all(relations.iter().map(|relation| async {
            let mut asks = relation.reads(&victim, &relations);
            asks.extend(relation.guesses(&victim));
            asks.extend(relation.writes(&victim));
            let disguised: Vec<Ask> = asks.iter().map(|ask| victim.disguised(ask)).collect();
            let pair = users(stack, 2).await;
            let [one, other] = [0, 1].map(|place| Intruder::tenant(stack, &pair[place]));
            let (theirs, nobodys) =
                tokio::join!(transcript(stack, &one, &asks), transcript(stack, &other, &disguised));
            judge(&victim, &one, &asks, &theirs);
            for ((ask, theirs), nobodys) in asks.iter().zip(&theirs).zip(&nobodys) {
                assert_eq!(victim.anonymous(theirs), victim.anonymous(nobodys), "{}", ask.shown());
            }
        }))
        .await;
        assert!(before == victim.everything(stack).await, "the victim's rows are not what they were");
    });
}

#[test]
fn whoever_forges_a_token_is_told_nothing_and_changes_nothing() {
    play(async |stack| {
        let victim = Victim::new(stack).await;
        let before = victim.everything(stack).await;
        let relations = catalogue(stack, &victim).await;
        let own = users(stack, 1).await.remove(0);
        let forgers = forgers(stack, &victim.user, &own);
        // What they may write is their own, and would be read after.
        let is_derived = |relation: &&Relation| relation.name == "budget_spend";
        let (derived, others): (Vec<_>, Vec<_>) = relations.iter().partition(is_derived);
        let reads = |relation: &Relation, victim: &Victim| relation.reads(victim, &[]);
        // What is derived from other rows goes before somebody writes those.
        for (asks, relations) in [
            (reads as fn(&Relation, &Victim) -> Vec<Ask>, relations.iter().collect()),
            (Relation::writes, derived),
            (Relation::writes, others),
        ] {
            join_all(relations.into_iter().map(|relation| async {
                let (victim, asks) = (&victim, &asks(relation, &victim));
                join_all(forgers.iter().enumerate().map(|(number, intruder)| async move {
                    // Who is turned away at the door is so whatever the question: each puts a few, and all put all.
                    let few = if intruder.standing == Standing::Outside { 6 } else { 1 };
                    let asks: Vec<Ask> = asks.iter().skip(number % few).step_by(few).cloned().collect();
                    judge(victim, intruder, &asks, &transcript(stack, intruder, &asks).await);
                }))
                .await;
            }))
            .await;
        }
        assert!(before == victim.everything(stack).await, "the victim's rows are not what they were");
    });
}

#[test]
fn the_victim_sees_what_the_others_do_not() {
    play(async |stack| {
        let victim = Victim::new(stack).await;
        let token = super::scene::token(stack, &victim.user);
        for relation in relations(stack).await {
            let ask = Ask::get(format!("{relation}?limit=1")).with("prefer", "count=exact");
            let answer = ask.send_as(stack, &token).await;
            assert!(
                answer.count().is_some_and(|count| count.parse::<u64>().is_ok_and(|count| count > 0)),
                "{answer:?}"
            );
            assert!(victim.told(&answer.said(), &ask.said()).is_some(), "{answer:?}");
        }
    });
}
