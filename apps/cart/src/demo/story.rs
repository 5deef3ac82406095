//! Carts and decisions as lines that people read.

use std::collections::BTreeMap;

use crate::driver::child_protocol::{CartState, ProductState};

/// Lists carts, one per line; `indent` stands before the first, blanks before the others.
pub(crate) fn list_carts(indent: &str, carts: &[(String, CartState)]) -> String {
    let blank = " ".repeat(indent.len());
    let line = |(index, (customer, cart)): (usize, &(String, CartState))| {
        let lines = cart.lines.iter().map(|(code, quantity)| format!("{quantity} {code}"));
        let mut content = lines.collect::<Vec<_>>().join(", ");
        if content.is_empty() {
            content = "nothing".to_owned();
        }
        let note = cart.note.as_ref().map(|note| format!("  (note: {note})")).unwrap_or_default();
        let delivery = cart.delivery.as_ref().map(|delivery| format!("  (delivery: {delivery})"));
        let delivery = delivery.unwrap_or_default();
        format!("{}{customer}: {content}{note}{delivery}", if index == 0 { indent } else { &blank })
    };
    carts.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// Tells a product in one line; several values of a field where nobody could decide.
pub(crate) fn product_line(name: &str, product: &ProductState) -> String {
    let prices: Vec<String> = product.price.iter().map(|cents| format!("{cents} cents")).collect();
    let text = product.description.join(" or ");
    format!("product {name}: {}; {}", prices.join(" or "), text.trim_end().replace('\n', " / "))
}

/// Lists the decisions, each sentence once, with those who reported it.
pub(crate) fn list_decisions(reports: &[(String, Vec<String>)]) -> String {
    let mut reporters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (region, sentences) in reports {
        for sentence in sentences {
            let told = reporters.entry(sentence).or_default();
            if !told.contains(&region.as_str()) {
                told.push(region);
            }
        }
    }
    let line = |(told, by): (&&str, &Vec<&str>)| {
        let (place, rest) = told.split_once(": ").unwrap_or(("", told));
        let (rule, sides) = rest.split_once("; ").unwrap_or((rest, ""));
        format!("  {place}: {rule}\n      {sides}   [{}]", by.join(", "))
    };
    reporters.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::child_protocol::Delivery;

    #[test]
    fn a_decision_that_two_report_is_listed_once() {
        let reports =
            [("north".to_owned(), vec!["x: r; kept 1".to_owned()]), ("south".to_owned(), vec![])];
        let mut both = reports.to_vec();
        both[1].1.push("x: r; kept 1".to_owned());
        let listed = list_decisions(&both);
        assert_eq!(listed, "  x: r\n      kept 1   [north, south]");
    }

    #[test]
    fn an_empty_cart_says_so() {
        let cart = CartState { note: Some("knock".into()), ..CartState::default() };
        let carts = [("bob".to_owned(), cart)];
        assert_eq!(list_carts("> ", &carts), "> bob: nothing  (note: knock)");
    }

    #[test]
    fn a_delivery_stands_behind_the_cart() {
        let delivery = Delivery { shop: "west".into(), km: 2, slot: "Friday".into() };
        let cart = CartState { delivery: Some(delivery), ..CartState::default() };
        let told = list_carts("", &[("bob".to_owned(), cart)]);
        assert_eq!(told, "bob: nothing  (delivery: west, 2 km, Friday)");
    }

    #[test]
    fn a_product_that_nobody_could_decide_shows_all_there_is() {
        let description = vec!["Tea\nloose\n".to_owned()];
        let product = ProductState { description, price: vec![1, 2] };
        assert_eq!(product_line("tea", &product), "product tea: 1 cents or 2 cents; Tea / loose");
    }
}
