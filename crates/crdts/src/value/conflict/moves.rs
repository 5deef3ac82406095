//! The decisions about the moves of a tree's nodes.
//!
//! A node's candidates do not say alone where it stands: a move can be without effect because of
//! the move of another node, or because the node that it leads to is gone. If all nodes on the way
//! up have one candidate, none of that has happened, and the rest of the tree is not looked at.

use alloc::vec;
use alloc::vec::Vec;

use hashbrown::HashMap;
use rejoin_vclock::Dot;

use crate::cell::CellRef;
use crate::delta::Effect;
use crate::edit::cursor::parse;
use crate::edit::{Source, View};
use crate::error::ReadError;
use crate::hash::Seeded;
use crate::ordered::outline::{Candidate, Gather};
use crate::ordered::{Candidates, Mark, NodeId, Outline, Parent, way_up};
use crate::path::{Kind, Path, split_as};
use crate::register::Write;
use crate::value::conflict::decide::{Judge, kind_of, placed};
use crate::value::conflict::{Decision, Rule, Side};
use crate::value::visible::things;

/// A place at which a node was put, and the side that put it there.
type Put = (Candidate, Side);

/// All nodes of a tree that are there, each with its candidates, the greatest first.
struct Moves {
    puts: HashMap<Dot, Vec<Put>, Seeded>,
    outline: Outline,
}

impl Moves {
    fn of(state: &dyn Source, tree: &Path) -> Result<Self, ReadError> {
        let (mut puts, mut gather) = (HashMap::default(), Gather::default());
        things(state, tree.as_bytes(), Kind::TreeNode, &mut |node, cell, there| {
            gather.part(node, cell, there);
            if let Some(candidates) = cell.as_candidates().filter(|_| there) {
                puts.insert(node, puts_of(candidates));
            }
        })?;
        Ok(Self { puts, outline: gather.finish() })
    }

    fn of_node(&self, node: Dot) -> &[Put] {
        self.puts.get(&node).map_or(&[], Vec::as_slice)
    }

    /// True if a node hangs where a candidate puts it.
    fn stands(&self, node: Dot, candidate: &Candidate) -> bool {
        let parent = candidate.parent.map_or(Parent::Root, |parent| Parent::Node(NodeId(parent)));
        self.outline.parent(NodeId(node)) == Some(parent)
    }

    /// The nodes that the greatest candidates would hang below each other in a circle, from a node
    /// on its way up.
    fn circle(&self, node: Dot) -> Vec<Dot> {
        let (mut way, mut at) = (vec![node], node);
        let mut steps = HashMap::<Dot, usize, Seeded>::default();
        steps.insert(node, 0);
        while let Some(above) = self.of_node(at).first().and_then(|(put, _)| put.parent) {
            if let Some(&step) = steps.get(&above) {
                return way.split_off(step);
            }
            steps.insert(above, way.len());
            way.push(above);
            at = above;
        }
        Vec::new()
    }
}

fn puts_of(candidates: &Candidates) -> Vec<Put> {
    let put = |place| (Candidate::of(place), placed(place, &candidates.existence));
    let mut puts: Vec<Put> = candidates.live().map(put).collect();
    puts.sort_unstable_by_key(|(candidate, side)| (candidate.priority, side.dot));
    puts.reverse();
    puts
}

impl Judge<'_> {
    /// Reports the decisions about where the nodes of a tree hang, if the change put one somewhere
    /// or took one away.
    pub(super) fn tree(&self, report: &mut dyn FnMut(&[u8], Decision)) -> Result<(), ReadError> {
        let path = self.place();
        if kind_of(path) != Some(Kind::TreeNode) || rejoin_vclock::mutant!("move-is-not-told") {
            return Ok(());
        }
        let (above, below) = path.split_at(self.change.path().above());
        let (tree, Some((node, ..))) = (parse(above.to_vec())?, split_as::<Dot>(below)) else {
            return Ok(());
        };
        if self.change.removes() {
            return self.lose_children(&tree, node, report);
        }
        let puts = matches!(&self.change.effect, Effect::Move { .. } | Effect::Register { .. });
        if !puts || self.is_gone(path)? {
            return Ok(());
        }
        let live = self.state.at(path, |cell| {
            cell.and_then(CellRef::as_candidates).map(puts_of).unwrap_or_default()
        })?;
        if let Some((Candidate { parent: Some(parent), .. }, side)) = live.first() {
            let above = part(&tree, *parent);
            if self.is_gone(above.as_bytes())? {
                let kept = self.removals_of(above.as_bytes());
                report(path, (Rule::RemovedIsGone, kept, vec![side.clone()]));
                return Ok(());
            }
        }
        if way_up(&View::new(self.state, tree.clone()), node)?.is_some() {
            return Ok(());
        }
        let moves = Moves::of(self.state, &tree)?;
        self.decide_rivals(path, node, &moves, report);
        self.decide_circle(&tree, &moves.circle(node), &moves, report);
        Ok(())
    }

    /// Decides among several live candidates of one node.
    fn decide_rivals(
        &self,
        path: &[u8],
        node: Dot,
        moves: &Moves,
        report: &mut dyn FnMut(&[u8], Decision),
    ) {
        let puts = moves.of_node(node);
        let standing = puts.iter().position(|(candidate, _)| moves.stands(node, candidate));
        let concurrent = puts.iter().any(|(_, side)| self.unknown(side.dot));
        let sides = |stands: bool| {
            let chosen =
                puts.iter().enumerate().filter(move |&(at, _)| (standing == Some(at)) == stands);
            chosen.map(|(_, (_, side))| side.clone()).collect::<Vec<_>>()
        };
        if puts.len() > 1 && concurrent {
            report(path, (Rule::HighestMoveWins, sides(true), sides(false)));
        }
    }

    /// Decides about moves that would close a circle.
    fn decide_circle(
        &self,
        tree: &Path,
        circle: &[Dot],
        moves: &Moves,
        report: &mut dyn FnMut(&[u8], Decision),
    ) {
        let put = |node: Dot| moves.of_node(node).first();
        let dots = || circle.iter().filter_map(|&node| Some(put(node)?.1.dot));
        if !dots().any(|dot| self.spans(dot)) || !dots().any(|dot| self.unknown(dot)) {
            return;
        }
        let has_effect =
            |node: &Dot| put(*node).is_some_and(|(candidate, _)| moves.stands(*node, candidate));
        let kept: Vec<Side> = circle
            .iter()
            .filter(|node| has_effect(node))
            .filter_map(|&node| Some(put(node)?.1.clone()))
            .collect();
        for &node in circle.iter().filter(|node| !has_effect(node)) {
            if let Some((_, side)) = put(node) {
                report(
                    part(tree, node).as_bytes(),
                    (Rule::NoCycles, kept.clone(), vec![side.clone()]),
                );
            }
        }
    }

    /// Decides about nodes that were put below one that the change takes away, by somebody who did
    /// not know of it.
    fn lose_children(
        &self,
        tree: &Path,
        node: Dot,
        report: &mut dyn FnMut(&[u8], Decision),
    ) -> Result<(), ReadError> {
        let unknown = |write: &Write| self.unknown(self.context.dot(write.dot));
        // Whoever puts a node somewhere writes the mark.
        let is_news = |mark: &Mark| mark.0.0.iter().any(unknown);
        if !self
            .state
            .at(tree.as_bytes(), |cell| cell.and_then(CellRef::as_mark).is_some_and(is_news))?
        {
            return Ok(());
        }
        for (&child, puts) in &Moves::of(self.state, tree)?.puts {
            if let Some((candidate, side)) = puts.first()
                && candidate.parent == Some(node)
                && self.unknown(side.dot)
            {
                let kept = vec![self.removed(self.place())];
                report(
                    part(tree, child).as_bytes(),
                    (Rule::RemovedIsGone, kept, vec![side.clone()]),
                );
            }
        }
        Ok(())
    }
}

/// The place of the part of a node.
fn part(tree: &Path, node: Dot) -> Path {
    tree.key(&node, Kind::TreeNode)
}
