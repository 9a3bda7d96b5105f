use guardrails_explore::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let faults = args[1].parse().unwrap(); let stalls = args[2].parse().unwrap();
    for s in SCENARIOS.iter().filter(|s| args.get(3).is_none_or(|n| n == s.name)) {
        let t = std::time::Instant::now();
        let e = explore(s, Bound { faults, stalls }, None);
        println!("{:32} {:>9} {:>10} {:>6} {:>4} {:.1}", s.name, e.states, e.moves, e.quiet, e.depth, t.elapsed().as_secs_f32());
        if let Some(w) = e.wrong { println!("  WRONG {}", w.what); for l in w.story { println!("    {l}"); } }
    }
}
