//! The public price lists, as they come from the network and as they lie on the disk.

use std::sync::Arc;

use ai_cost_optimizer::cost::catalogue::Catalogue;
use ai_cost_optimizer::cost::live::{LiveList, is_id, is_plausible, parse};
use ai_cost_optimizer::domain::model::{ModelRef, ProviderId};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::usage::Usage;
use ai_cost_optimizer::providers::price_list::{PriceCache, PriceLists, PriceSource};

use super::wire::{Answer, Wire};

fn source() -> PriceSource {
    let url = "http://router.test/v1".parse().expect("it is a URL");
    PriceSource::new(ProviderId::OpenRouter, &url).expect("OpenRouter has a list")
}

/// A list from the network: what is believed of it is kept, and comes back as it was.
pub(super) fn price_list(bytes: &[u8]) {
    let Ok(models) = parse(bytes) else { return };
    Wire::with(|wire| {
        wire.answer(&Answer::json(bytes));
        let lists = PriceLists {
            sources: vec![source()],
            client: wire.client.clone(),
            cache: PriceCache::new(wire.folder.path().join("kept")),
            catalogue: catalogue(),
        };
        let refreshed = wire.runtime.block_on(lists.refresh(&source())).expect("a list that is read is kept");
        assert_eq!(refreshed.list.models, models);
        assert!(refreshed.list.priced() > 0, "a list without a price is refused");
        check(&refreshed.list);
        let kept = lists.cache.load(&source());
        assert_eq!(kept.as_ref(), Some(&*refreshed.list), "what we write we read");
        for drift in &refreshed.drift {
            assert!(drift.percent.is_finite(), "{drift:?}");
        }
    });
}

/// A list on the disk, which somebody else may have written.
pub(super) fn price_file(bytes: &[u8]) {
    Wire::with(|wire| {
        let folder = wire.folder.path().join("found");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        std::fs::write(folder.join("openrouter.json"), bytes).expect("a file can be written");
        if let Some(list) = PriceCache::new(folder).load(&source()) {
            check(&list);
            catalogue().set_live(Arc::new(list));
        }
    });
}

fn catalogue() -> Arc<Catalogue> {
    thread_local! {
        static CATALOGUE: Arc<Catalogue> =
            Arc::new(Catalogue::new(&[]).expect("the built-in prices are valid"));
    }
    CATALOGUE.with(Arc::clone)
}

fn check(list: &LiveList) {
    let catalogue = catalogue();
    catalogue.set_live(Arc::new(list.clone()));
    let (few, many) = (
        Usage { input_tokens: 10, output_tokens: 10, ..Usage::default() },
        Usage {
            input_tokens: 1 << 40,
            cached_input_tokens: 1 << 39,
            output_tokens: 1 << 40,
            ..Usage::default()
        },
    );
    for (id, model) in &list.models {
        assert!(is_id(id), "{id:?} is safe to show");
        let Some(price) = model.price else { continue };
        for flat in [Some(price.base), price.long.map(|long| long.price)].into_iter().flatten() {
            assert!(is_plausible(&flat), "{id}: {flat:?}");
            let is_free = flat.input == Usd::ZERO || flat.output == Usd::ZERO;
            assert!(!is_free || id.ends_with(":free"), "{id} is not free: {flat:?}");
        }
        let reference = ModelRef { provider: list.provider, model: id.clone() };
        let cost = |usage: &Usage| {
            catalogue.cost_of(&reference, usage, list.fetched_at).expect("a model on the list has a price")
        };
        assert!(cost(&few) >= Usd::ZERO && cost(&many) >= cost(&few), "{id}: {price:?}");
    }
}
